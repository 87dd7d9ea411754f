# Firmware with the library frozen in, for ESP32_GENERIC_C3. In MicroPython's ports/esp32:
#   make BOARD=ESP32_GENERIC_C3 FROZEN_MANIFEST=/path/to/boards/ESP32_GENERIC_C3/manifest.py

include("$(PORT_DIR)/boards/manifest.py")  # what the stock firmware has
include("../../firmware/manifest.py")
module("board_config.py")
