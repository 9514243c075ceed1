"""Features of own videos: decoding, optical flow, crops and backbones."""
