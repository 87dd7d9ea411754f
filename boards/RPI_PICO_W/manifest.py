# Firmware with the library frozen in, for RPI_PICO_W. In MicroPython's ports/rp2:
#   make BOARD=RPI_PICO_W FROZEN_MANIFEST=/path/to/boards/RPI_PICO_W/manifest.py

include("$(BOARD_DIR)/manifest.py")  # what the stock firmware has: the port's, and networking
include("../../firmware/manifest.py")
module("board_config.py")
