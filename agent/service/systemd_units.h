#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/service/bus_link.h"
#include "agent/service/unit_manager.h"

namespace serin::agent {

/// systemd's words about units, over one connection to the system bus. Needs no privilege: reading
/// is allowed to everybody. A burst of changes to a unit is told at once from the signals, then as
/// read, then once more 20 ms after the last change. Costs systemd two readings (about 1 ms each)
/// per burst, nothing while nothing changes.
class SystemdUnits : public UnitManager {
 public:
  struct Options {
    std::string address;  ///< empty: the system's bus
  };
  SystemdUnits(uv_loop_t* loop, Options options);
  explicit SystemdUnits(uv_loop_t* loop) : SystemdUnits(loop, Options{}) {}
  ~SystemdUnits() override;

  void follow(const std::string& unit, Says says) override;
  void want(const std::string& unit, const std::string& property) override;
  void ask(const std::string& unit) override;
  [[nodiscard]] const std::string& problem() const override;

 private:
  struct Unit;
  void connected(sd_bus* bus);
  void lost();
  void drained();
  void subscribe();
  void load(Unit& unit);
  void loaded(Unit& unit, sd_bus_message* reply);
  void read(Unit& unit);
  void has_read(Unit& unit, sd_bus_message* reply);
  void say(Unit& unit, UnitWord::Whence whence);
  void no_answer(Unit& unit, sd_bus_message* reply);
  void changed(Unit& unit, sd_bus_message* signal);
  void job_removed(sd_bus_message* signal);
  void owner_changed(sd_bus_message* signal);
  void reload_all();

  uv_loop_t* loop_;
  std::map<std::string, std::unique_ptr<Unit>> units_;
  std::vector<BusSlot> matches_;
  std::string problem_;
  BusLink link_;  // last: its closing calls nothing that is gone
};

}  // namespace serin::agent
