"""A model as a folder for browsers, `web/`: the file, onnxruntime-web, and a page to try rows."""

from __future__ import annotations

import json

import onnx

from automl.errors import Rejected
from automl.export.taken import Chosen, Made
from automl.web.folder import About, web_folder

FOLDER = "web"
CARD = f"""`{FOLDER}/` runs the same model in a browser, by onnxruntime-web, and has a page to try
rows. Any server of files serves it; nothing is loaded from elsewhere, and no row leaves the page:

```sh
python -m http.server --directory {FOLDER}
```

Then open http://localhost:8000."""


def make(chosen: Chosen) -> Made:
    """The folder. Raises Rejected on a model whose texts a tokenizer takes apart, which no page
    does, and UserError where onnxruntime-web is not to be had."""
    if chosen.has_tokenizer:
        raise Rejected("reads texts through a tokenizer, which the page cannot run")
    files = web_folder(chosen.file, _about(chosen), chosen.browser_runtime())
    return Made({f"{FOLDER}/{name}": content for name, content in files.items()}, CARD)


def _about(chosen: Chosen) -> About:
    """The model as its file and its rows tell."""
    model = onnx.load_from_string(chosen.file)
    told = {one.key: json.loads(one.value) for one in model.metadata_props}
    outputs = model.graph.output[0].type.tensor_type.shape.dim[1].dim_value
    columns, classes = told.get("columns", {}), told.get("classes", [])
    return About(chosen.name, json.loads(chosen.rows), columns, classes, outputs)
