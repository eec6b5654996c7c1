"""fastText's own models (.bin, .ftz), of version 0.9.

    file.py         what a file holds, mapped into memory
    matrix.py       its matrices: dense, or compressed by a product quantiser
    bags.py         which rows of the input matrix a line of text has
    losses.py       from the hidden vector to probabilities of labels: softmax, hierarchical softmax, one-versus-all
    classifier.py   a supervised model as a classifier

Word vectors from unsupervised models are read by `interop/vectors/fasttext_bin.py`.
"""
