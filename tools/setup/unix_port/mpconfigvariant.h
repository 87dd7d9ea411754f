#include "../standard/mpconfigvariant.h"

#define MICROPY_TRACKED_ALLOC (1) // what bare-metal mbedTLS allocates with
