# Read by CPack once for each kind of package: builds the programs as that kind wants them and packs those.
# deb: Debian's shared libraries, found by dpkg-shlibdeps. rpm: SERIN_PORTABLE.
string(TOLOWER ${CPACK_GENERATOR} kind)
if(NOT kind MATCHES "^(deb|rpm)$")
  return()
endif()
# Beside the tree that packs, as deep in the source as it: ccache finds what that one has compiled.
set(folder ${CPACK_SERIN_BINARY}-${kind})
set(portable OFF)
if(kind STREQUAL rpm)
  set(portable ON)
endif()
function(step)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "failed: ${ARGN}")
  endif()
endfunction()
step(${CMAKE_COMMAND} -S ${CPACK_SERIN_SOURCE} -B ${folder} -G Ninja -DCMAKE_BUILD_TYPE=Release
  "-DCMAKE_CXX_FLAGS_RELEASE=${CPACK_SERIN_FLAGS}" "-DCMAKE_EXE_LINKER_FLAGS=${CPACK_SERIN_LINK}"
  -DCMAKE_INSTALL_PREFIX=/usr -DSERIN_TESTS=OFF -DSERIN_DEMO=OFF -DSERIN_PORTABLE=${portable})
step(${CMAKE_COMMAND} --build ${folder} --target serin_packaged)
set(CPACK_INSTALL_CMAKE_PROJECTS "${folder};serin;ALL;/")
