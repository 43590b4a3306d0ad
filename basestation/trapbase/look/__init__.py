"""What can be seen of a base: by monitoring, and by a person on one screen."""
