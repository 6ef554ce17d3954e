"""Command `python -m automl.measure FILE`, which times a file where only onnxruntime is."""

from automl.measure.file_times import main

if __name__ == "__main__":
    main()
