"""Which photos show one person: learned from train persons on features, applied to photos whose persons nobody knows."""
