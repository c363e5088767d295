"""Turn what happens on the Hugging Face Hub into Hub Jobs."""

__version__ = "0.1.0"
