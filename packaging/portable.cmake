# For distributions with an older libstdc++ and without some of Debian's libraries: glibc 2.34, GLIBCXX_3.4.29. Debian has no
# static archives of fmt and toml++: what we use of them is compiled here once and linked whole, so that the linker finds
# nothing left to take from the shared ones and drops them. Our own objects are those of any other build. What is C or has
# to be shared lies in a folder of the program's own.
add_library(serin_portable STATIC portable/fmt.cpp portable/glibc.cpp portable/toml.cpp)
set_target_properties(serin_portable PROPERTIES POSITION_INDEPENDENT_CODE ON)
target_compile_definitions(serin_portable PRIVATE TOML_HEADER_ONLY=0)

# private_library(PROGRAM COMPONENT FILE): under the name by which the program asks for it
function(private_library program component file)
  file(REAL_PATH ${file} real)
  execute_process(COMMAND objdump -p ${real} OUTPUT_VARIABLE headers COMMAND_ERROR_IS_FATAL ANY)
  if(NOT headers MATCHES "SONAME +([^\n ]+)")
    message(FATAL_ERROR "${real} has no soname")
  endif()
  install(PROGRAMS ${real} DESTINATION lib/${program} RENAME ${CMAKE_MATCH_1} COMPONENT ${component})
  set_target_properties(${program} PROPERTIES INSTALL_RPATH "$ORIGIN/../lib/${program}")
endfunction()

private_library(serin-agent agent ${CNATS_LINK_LIBRARIES})
private_library(serin-aggregator aggregator ${CNATS_LINK_LIBRARIES})
private_library(serinctl ctl ${CNATS_LINK_LIBRARIES})
get_target_property(prometheus prometheus-cpp::core IMPORTED_LOCATION_NONE)
private_library(serin-aggregator aggregator ${prometheus})

foreach(program ${programs})
  target_link_options(${program} PRIVATE -Wl,--as-needed)
  if(CMAKE_SYSTEM_PROCESSOR STREQUAL x86_64)
    target_link_options(${program} PRIVATE -Wl,--wrap=hypot)
  endif()
  target_link_libraries(${program} PRIVATE $<LINK_LIBRARY:WHOLE_ARCHIVE,serin_portable>)
endforeach()
# libgcc stays shared: the static one's unwinder needs glibc 2.35. The aggregator shares libstdc++ with prometheus-cpp.
foreach(program serin-agent serin-rollback serinctl)
  target_link_options(${program} PRIVATE -static-libstdc++)
endforeach()
