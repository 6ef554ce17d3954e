"""A model in a browser: onnxruntime-web, and the page to try rows that `serve` has, too."""
