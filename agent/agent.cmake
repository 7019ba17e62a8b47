# serin-agent: all of agent/ but the root helper, which is a program of its own.
add_library(serin_agent_lib INTERFACE)
target_link_libraries(serin_agent_lib INTERFACE
  serin_agent_discover serin_agent_facts serin_agent_footprint serin_agent_live serin_agent_probe serin_agent_request serin_agent_service serin_agent_sampler)

serin_binary(serin-agent SOURCES main.cpp run.cpp check.cpp discover.cpp top.cpp
  LIBS serin_agent_lib serin_uplink serin_helper_client CLI11::CLI11 fmt::fmt)
