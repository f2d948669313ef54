"""gapless keeps a complete, provable market tape."""
