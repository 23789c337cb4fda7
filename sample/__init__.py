"""A small fictional team's chat, the tasks that a careful reader finds in it, and how proposals are scored by them."""
