"""The pipeline: one small script a stage, declared in dvc.yaml."""
