"""timm backbones, heads and losses."""
