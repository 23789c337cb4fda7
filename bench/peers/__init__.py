"""What people would use instead of Gleaner, each written as its own documentation has it done.

They run in a virtual environment of their own (`requirements.lock` beside this file) and use nothing of Gleaner but its
pure functions, so that the prompt and the check of the answer are the same for all.
"""
