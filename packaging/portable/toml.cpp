// toml++'s own code, compiled into our programs for distributions without its library.
#define TOML_IMPLEMENTATION
#include <toml++/toml.h>
