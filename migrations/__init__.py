"""Database migrations; they travel in the wheel."""
