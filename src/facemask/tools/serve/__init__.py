"""The finished ensemble in use: its bundle on disk, its answers about anyone's photos, and what a server must hold off."""
