# CPack: one package of each kind per component.
set(CPACK_GENERATOR "DEB;RPM")
set(CPACK_PACKAGE_NAME serin)
set(CPACK_PACKAGE_VENDOR "The Serin authors")
set(CPACK_PACKAGE_CONTACT "Serin maintainers <maintainers@serin.example.org>")
set(CPACK_PACKAGE_DIRECTORY ${CMAKE_BINARY_DIR}/packages)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_COMPONENTS_ALL agent aggregator ctl)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_PROJECT_CONFIG_FILE ${CMAKE_CURRENT_SOURCE_DIR}/generator.cmake)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_RPM_COMPONENT_INSTALL ON)

set(agent_summary "post-deploy guardian: agent and root helper of a host")
set(agent_text "Samples what the services of this host do, each second, and reports it to
Serin's aggregator, which compares hosts on a new release with the rest of the
fleet. A small root helper puts the release before back when the aggregator, by
a signed command, says so. Installing it neither enables nor starts either.")
set(aggregator_summary "post-deploy guardian: compares releases and decides")
set(aggregator_text "Compares the hosts on a new release with the rest of the fleet at the same
moment, with a stated probability of a false alarm, has what is worse put back,
verifies the return and tells people why. Needs a NATS server with JetStream.
Installing it neither enables nor starts it.")
set(ctl_summary "post-deploy guardian: command line")
set(ctl_text "Looks at what Serin sees, explains its verdicts, tells it what to do, answers
pipelines whether a release may go on, makes keys, records and replays.")

# --- deb
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
# 251: a folder as a credential. The units need it, and the programs are of little use without them.
set(CPACK_DEBIAN_AGENT_PACKAGE_DEPENDS "systemd (>= 251)")
set(CPACK_DEBIAN_AGENT_PACKAGE_RECOMMENDS "ca-certificates")
set(CPACK_DEBIAN_AGGREGATOR_PACKAGE_DEPENDS "systemd (>= 251)")
set(CPACK_DEBIAN_AGGREGATOR_PACKAGE_RECOMMENDS "serinctl, ca-certificates")
set(CPACK_DEBIAN_AGGREGATOR_PACKAGE_SUGGESTS "nats-server")

# --- rpm
set(CPACK_RPM_FILE_NAME RPM-DEFAULT)
set(CPACK_RPM_PACKAGE_RELEASE 1)
set(CPACK_RPM_PACKAGE_RELOCATABLE OFF)
set(CPACK_RPM_SPEC_MORE_DEFINE "%define _build_id_links none")
set(CPACK_RPM_PACKAGE_LICENSE Apache-2.0)
set(CPACK_RPM_PACKAGE_GROUP "System Environment/Daemons")
# rpm's own search would ask for Debian's symbol versions of libcurl, and offer the private libraries to everybody.
set(CPACK_RPM_PACKAGE_AUTOREQPROV OFF)
set(CPACK_RPM_EXCLUDE_FROM_AUTO_FILELIST_ADDITION
  /etc /usr/lib/systemd /usr/lib/systemd/system /usr/lib/sysusers.d /usr/lib/tmpfiles.d /usr/share/man /usr/share/man/man1
  /usr/share/man/man5 /usr/share/man/man8 /usr/sbin /usr/bin /usr/include
  /usr/share/bash-completion
  /usr/share/bash-completion/completions /usr/share/zsh /usr/share/zsh/site-functions)
set(c_libraries "libc.so.6(GLIBC_2.34)(64bit), libm.so.6()(64bit), libgcc_s.so.1()(64bit), libcrypto.so.3()(64bit)")
set(nats_libraries "libssl.so.3()(64bit), libprotobuf-c.so.1()(64bit)")
set(CPACK_RPM_AGENT_PACKAGE_REQUIRES
  "systemd >= 251, ${c_libraries}, ${nats_libraries}, libuv.so.1()(64bit), libcurl.so.4()(64bit), \
libsystemd.so.0()(64bit)")
set(CPACK_RPM_AGGREGATOR_PACKAGE_REQUIRES "systemd >= 251, ${c_libraries}, ${nats_libraries}, libuv.so.1()(64bit), \
libcurl.so.4()(64bit), libmicrohttpd.so.12()(64bit), libsqlite3.so.0()(64bit), libstdc++.so.6(GLIBCXX_3.4.29)(64bit)")
set(CPACK_RPM_CTL_PACKAGE_REQUIRES
  "${c_libraries}, ${nats_libraries}, libcurl.so.4()(64bit), libzstd.so.1()(64bit), libz.so.1()(64bit)")
set(CPACK_RPM_AGENT_USER_FILELIST "%config(noreplace) /etc/serin/agent.toml")
set(CPACK_RPM_AGGREGATOR_USER_FILELIST "%config(noreplace) /etc/serin/aggregator.toml")
set(CPACK_RPM_CTL_USER_FILELIST "%config(noreplace) /etc/serin/serinctl.toml")

foreach(component agent aggregator ctl)
  string(TOUPPER ${component} COMPONENT)
  string(REPLACE serin-ctl serinctl package serin-${component})
  set(CPACK_DEBIAN_${COMPONENT}_PACKAGE_NAME ${package})
  set(CPACK_RPM_${COMPONENT}_PACKAGE_NAME ${package})
  set(CPACK_COMPONENT_${COMPONENT}_DESCRIPTION "${${component}_summary}\n${${component}_text}")
  string(REPLACE "post-deploy" "Post-deploy" summary "${${component}_summary}")
  set(CPACK_RPM_${COMPONENT}_PACKAGE_SUMMARY "${summary}")
  set(CPACK_RPM_${COMPONENT}_PACKAGE_DESCRIPTION "${${component}_text}")
  set(control)
  foreach(script conffiles postinst prerm postrm)
    if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/deb/${package}/${script})
      list(APPEND control ${CMAKE_CURRENT_SOURCE_DIR}/deb/${package}/${script})
    endif()
  endforeach()
  set(CPACK_DEBIAN_${COMPONENT}_PACKAGE_CONTROL_EXTRA ${control})
  set(rpm ${CMAKE_CURRENT_SOURCE_DIR}/rpm/${package})
  if(EXISTS ${rpm}.post)
    set(CPACK_RPM_${COMPONENT}_POST_INSTALL_SCRIPT_FILE ${rpm}.post)
    set(CPACK_RPM_${COMPONENT}_PRE_UNINSTALL_SCRIPT_FILE ${rpm}.preun)
    set(CPACK_RPM_${COMPONENT}_POST_UNINSTALL_SCRIPT_FILE ${rpm}.postun)
  endif()
endforeach()

set(CPACK_INSTALL_CMAKE_PROJECTS "") # generator.cmake says from where
set(CPACK_SERIN_SOURCE ${PROJECT_SOURCE_DIR})
set(CPACK_SERIN_BINARY ${CMAKE_BINARY_DIR})
set(CPACK_SERIN_FLAGS "${CMAKE_CXX_FLAGS_RELEASE}")
set(CPACK_SERIN_LINK "${CMAKE_EXE_LINKER_FLAGS}")
include(CPack)
