"""The recipe of the miniature: an SDXL so small that it ships with easel, and really draws what the prompt says."""
