#include <dlfcn.h>

#include "cuda_abi.h"

void *tierd_open_library(const char *path, const char **why) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  *why = library ? 0 : dlerror();
  return library;
}

void *tierd_find_symbol(void *library, const char *name) { return dlsym(library, name); }
