"""The questions of `seqcli classify`, one file each; `job` is what they all have in hand."""
