"""Models of the Hugging Face hub: their folders, as `save_pretrained` of transformers writes them.

files.py   settings and weights, read within bounds; which folder is one
hub.py     hf:NAME[@REVISION], fetched into the cache of `huggingface_hub`
"""
