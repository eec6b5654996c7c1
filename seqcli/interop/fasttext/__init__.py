"""fastText models (.bin, .ftz) of version 0.9.

    file.py         the contents of a file, mapped into memory
    matrix.py       its matrices: dense, or compressed with a product quantizer
    features.py     which rows of the input matrix a line of text has
    losses.py       from the hidden vector to label probabilities: softmax, hierarchical softmax, one-versus-all
    classifier.py   a supervised model as a classifier

Word vectors of unsupervised models are read by `interop/formats/fasttext_bin.py`.
"""
