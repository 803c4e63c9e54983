# cmake -C .cmake/asan.cmake -B build/asan: AddressSanitizer and UndefinedBehaviorSanitizer.
set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "")
set(SLUICE_SANITIZE ON CACHE BOOL "")
set(SLUICE_LTO OFF CACHE BOOL "")
