"""A small fictional team's chat with the tasks that a careful reader finds in it, and how proposals are scored by it."""
