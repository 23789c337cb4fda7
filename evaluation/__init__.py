"""How good proposals are: labelled conversations, and figures of what a run made of them."""
