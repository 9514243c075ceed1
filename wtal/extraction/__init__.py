"""From video to snippet features: decoding, optical flow, I3D, CLIP, and the store that keeps them."""
