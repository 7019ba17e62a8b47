# serin_options: what every target of ours is compiled with. Third-party headers come as SYSTEM.
add_library(serin_options INTERFACE)
target_compile_options(serin_options INTERFACE
  -Wall -Wextra -Wconversion -Wshadow -Wnon-virtual-dtor -Werror
  -Wno-missing-field-initializers -fno-omit-frame-pointer)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 reports these falsely inside its own standard library under the sanitizers.
  target_compile_options(serin_options INTERFACE -Wno-maybe-uninitialized -Wno-restrict -Wno-stringop-overflow
    -Wno-array-bounds)
endif()
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  # libstdc++ 12's std::stable_sort calls std::get_temporary_buffer, which it deprecates itself.
  target_compile_options(serin_options INTERFACE -Wno-deprecated-declarations)
endif()
target_include_directories(serin_options INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_definitions(serin_options INTERFACE TOML_HEADER_ONLY=0 SERIN_VERSION="${PROJECT_VERSION}")

# serin_library(NAME SOURCES … LIBS …): a static library of one room.
function(serin_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC serin_options ${ARG_LIBS})
endfunction()

# serin_binary(NAME SOURCES … LIBS …): a program in bin/.
function(serin_binary name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE serin_options ${ARG_LIBS})
endfunction()

# serin_test(NAME LABEL unit|wire|sim|integration SOURCES … LIBS …): one gtest program, one ctest entry.
# The run finds the build's binaries in SERIN_BIN and the source tree in SERIN_SOURCE.
function(serin_test name)
  if(NOT SERIN_TESTS)
    return()
  endif()
  cmake_parse_arguments(ARG "SERIAL" "LABEL;TIMEOUT" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  target_link_libraries(${name} PRIVATE serin_options ${ARG_LIBS} GTest::gtest GTest::gmock GTest::gtest_main)
  add_test(NAME ${name} COMMAND ${name})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABEL}" TIMEOUT ${ARG_TIMEOUT}
    ENVIRONMENT "SERIN_BIN=${CMAKE_BINARY_DIR}/bin;SERIN_SOURCE=${PROJECT_SOURCE_DIR}")
  if(ARG_SERIAL)
    set_tests_properties(${name} PROPERTIES RUN_SERIAL ON)
  endif()
endfunction()

# serin_fuzz(NAME SOURCES … LIBS …): a libFuzzer target, built by the fuzz preset only.
function(serin_fuzz name)
  if(NOT SERIN_FUZZ)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
  target_link_libraries(${name} PRIVATE serin_options ${ARG_LIBS})
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
endfunction()
