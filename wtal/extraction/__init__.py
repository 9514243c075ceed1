"""Videos to features: decode, flow, I3D, CLIP, write."""
