# A unix port with the library frozen in. In MicroPython's ports/unix:
#   make FROZEN_MANIFEST=/path/to/boards/UNIX/manifest.py MPY_CROSS_FLAGS=-march=x64

include("$(PORT_DIR)/variants/standard/manifest.py")  # what the stock program has
include("../../firmware/manifest.py")
module("board_config.py")
