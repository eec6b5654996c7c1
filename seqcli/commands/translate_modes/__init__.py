"""What `seqcli translate` makes of translations, one file each; `job` is what they all have in hand."""
