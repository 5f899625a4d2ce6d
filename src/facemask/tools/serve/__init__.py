"""The finished ensemble in use: its bundle on disk, its predictions of any photos, and a server with limits."""
