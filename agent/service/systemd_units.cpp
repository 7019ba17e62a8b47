#include "agent/service/systemd_units.h"

#include <fmt/core.h>

#include <algorithm>

#include "agent/service/unit_properties.h"
#include "common/file.h"
#include "common/log.h"

namespace serin::agent {
namespace {

using Whence = UnitWord::Whence;
constexpr const char* kSystemd = "org.freedesktop.systemd1";
constexpr const char* kManagerPath = "/org/freedesktop/systemd1";
constexpr const char* kManager = "org.freedesktop.systemd1.Manager";
constexpr const char* kProperties = "org.freedesktop.DBus.Properties";
constexpr const char* kOwnerMatch =
    "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
    "member='NameOwnerChanged',arg0='org.freedesktop.systemd1'";
constexpr uint64_t kSettleMs = 20;   // CONTRACTS §6
constexpr uint64_t kAgainMs = 1000;  // after a question that was not answered

/// A C callback of the bus that calls a member function.
template <typename T, void (T::*Method)(sd_bus_message*)>
int forward(sd_bus_message* message, void* object, sd_bus_error*) {
  (static_cast<T*>(object)->*Method)(message);
  return 0;
}

}  // namespace

struct SystemdUnits::Unit {
  Unit(SystemdUnits& owner, std::string its_name)
      : all(owner), name(std::move(its_name)), settle(owner.loop_, [this] { all.read(*this); }) {
    known.unit = name;
  }
  void loaded(sd_bus_message* reply) { all.loaded(*this, reply); }
  void has_read(sd_bus_message* reply) { all.has_read(*this, reply); }
  void changed(sd_bus_message* signal) { all.changed(*this, signal); }

  SystemdUnits& all;
  std::string name, path;  ///< path: of its object on the bus; empty until loaded
  std::vector<Says> says;
  UnitWord known;
  bool complete = false;  ///< `known` was read as a whole on this connection
  bool touched = false;   ///< by signals of this draining
  bool again = false;     ///< something changed while it was being read
  BusSlot loading, match, reading;
  UvTimer settle;
};

SystemdUnits::SystemdUnits(uv_loop_t* loop, Options options)
    : loop_(loop),
      link_(loop, std::move(options.address),
            {.connected = [this](sd_bus* bus) { connected(bus); },
             .lost = [this] { lost(); },
             .drained = [this] { drained(); }}) {
  link_.start();
}

SystemdUnits::~SystemdUnits() {
  matches_.clear();
  units_.clear();
}

const std::string& SystemdUnits::problem() const {
  return link_.problem().empty() ? problem_ : link_.problem();
}

void SystemdUnits::follow(const std::string& name, Says says) {
  auto& unit = units_[name];
  if (!unit) unit = std::make_unique<Unit>(*this, name);
  unit->says.push_back(std::move(says));
  if (link_.bus() == nullptr || sd_bus_is_ready(link_.bus()) <= 0) return;
  load(*unit);
  link_.rearm();
}

void SystemdUnits::want(const std::string& name, const std::string& property) {
  auto& unit = units_[name];
  if (!unit) unit = std::make_unique<Unit>(*this, name);
  auto& texts = unit->known.texts;
  if (std::ranges::find(texts, property, &UnitText::property) == texts.end())
    texts.push_back({.property = property});
}

void SystemdUnits::ask(const std::string& name) {
  auto unit = units_.find(name);
  if (unit == units_.end()) return;
  read(*unit->second);
  link_.rearm();
}

void SystemdUnits::connected(sd_bus* bus) {
  auto match = [&](const char* sender, const char* path, const char* interface, const char* member,
                   sd_bus_message_handler_t handler) {
    sd_bus_slot* slot = nullptr;
    int status = sd_bus_match_signal_async(bus, &slot, sender, path, interface, member, handler,
                                           nullptr, this);
    if (status < 0) return log::warning("D-Bus match for {}: {}", member, errno_text(-status));
    matches_.emplace_back(slot);
  };
  match(kSystemd, kManagerPath, kManager, "JobRemoved",
        forward<SystemdUnits, &SystemdUnits::job_removed>);
  match(kSystemd, kManagerPath, kManager, "Reloading",
        [](sd_bus_message* signal, void* self, sd_bus_error*) {
          int begins = 0;
          if (sd_bus_message_read(signal, "b", &begins) > 0 && begins == 0)
            static_cast<SystemdUnits*>(self)->reload_all();
          return 0;
        });
  sd_bus_slot* slot = nullptr;
  if (sd_bus_add_match_async(bus, &slot, kOwnerMatch,
                             forward<SystemdUnits, &SystemdUnits::owner_changed>, nullptr,
                             this) >= 0)
    matches_.emplace_back(slot);
  subscribe();
  for (auto& [name, unit] : units_) load(*unit);
}

/// Without this systemd sends no signals at all.
void SystemdUnits::subscribe() {
  sd_bus_call_method_async(
      link_.bus(), nullptr, kSystemd, kManagerPath, kManager, "Subscribe",
      [](sd_bus_message* reply, void* self, sd_bus_error*) {
        auto& problem = static_cast<SystemdUnits*>(self)->problem_;
        problem = sd_bus_message_is_method_error(reply, nullptr) != 0
                      ? "systemd does not answer on D-Bus: " + bus_error_text(reply)
                      : std::string{};
        return 0;
      },
      this, nullptr);
}

void SystemdUnits::lost() {
  log::warning("{}", link_.problem());
  matches_.clear();
  for (auto& [name, unit] : units_) {
    unit->loading.reset();
    unit->match.reset();
    unit->reading.reset();
    unit->settle.stop();
    unit->complete = unit->touched = unit->again = false;
  }
}

void SystemdUnits::load(Unit& unit) {
  sd_bus_slot* slot = nullptr;
  int status =
      sd_bus_call_method_async(link_.bus(), &slot, kSystemd, kManagerPath, kManager, "LoadUnit",
                               forward<Unit, &Unit::loaded>, &unit, "s", unit.name.c_str());
  if (status >= 0) unit.loading.reset(slot);
}

void SystemdUnits::loaded(Unit& unit, sd_bus_message* reply) {
  auto done = std::move(unit.loading);
  const char* path = nullptr;
  if (sd_bus_message_read(reply, "o", &path) <= 0) return no_answer(unit, reply);
  unit.path = path;
  sd_bus_slot* slot = nullptr;
  int status =
      sd_bus_match_signal_async(link_.bus(), &slot, kSystemd, path, kProperties,
                                "PropertiesChanged", forward<Unit, &Unit::changed>, nullptr, &unit);
  if (status >= 0) unit.match.reset(slot);
  read(unit);  // behind the match: what changes from now on is told
}

/// All interfaces in one call (an empty name), so that state and processes belong together.
void SystemdUnits::read(Unit& unit) {
  if (link_.bus() == nullptr || sd_bus_is_ready(link_.bus()) <= 0) return;
  if (unit.path.empty()) return load(unit);
  if (unit.reading) return void(unit.again = true);
  sd_bus_slot* slot = nullptr;
  int status =
      sd_bus_call_method_async(link_.bus(), &slot, kSystemd, unit.path.c_str(), kProperties,
                               "GetAll", forward<Unit, &Unit::has_read>, &unit, "s", "");
  if (status >= 0) unit.reading.reset(slot);
  link_.rearm();
}

void SystemdUnits::has_read(Unit& unit, sd_bus_message* reply) {
  auto done = std::move(unit.reading);
  UnitWord word;
  word.unit = unit.name;
  for (const auto& text : unit.known.texts) word.texts.push_back({.property = text.property});
  if (sd_bus_message_is_method_error(reply, nullptr) != 0 || !read_properties(reply, word))
    return no_answer(unit, reply);
  problem_.clear();
  unit.known = std::move(word);
  unit.complete = true;
  bool quiet = !unit.settle.active() && !unit.touched && !unit.again;
  say(unit, quiet ? Whence::settled : Whence::read);
  if (std::exchange(unit.again, false)) read(unit);
}

void SystemdUnits::no_answer(Unit& unit, sd_bus_message* reply) {
  problem_ = fmt::format("systemd does not answer about {}: {}", unit.name, bus_error_text(reply));
  unit.path.clear();
  unit.settle.start(kAgainMs);
}

void SystemdUnits::say(Unit& unit, Whence whence) {
  UnitWord word = unit.known;
  word.whence = whence;
  for (auto& says : unit.says) says(word);
}

void SystemdUnits::changed(Unit& unit, sd_bus_message* signal) {
  const char* interface = nullptr;
  unit.touched = true;
  if (sd_bus_message_read(signal, "s", &interface) > 0 && unit.complete)
    read_properties(signal, unit.known);
}

void SystemdUnits::job_removed(sd_bus_message* signal) {
  uint32_t id = 0;
  const char *job = nullptr, *name = nullptr, *result = nullptr;
  if (sd_bus_message_read(signal, "uoss", &id, &job, &name, &result) <= 0) return;
  if (auto unit = units_.find(name); unit != units_.end()) unit->second->touched = true;
}

/// systemd itself came back (daemon-reexec): it has forgotten who listens.
void SystemdUnits::owner_changed(sd_bus_message* signal) {
  const char *name = nullptr, *before = nullptr, *now = nullptr;
  if (sd_bus_message_read(signal, "sss", &name, &before, &now) <= 0) return;
  if (std::string_view(name) != kSystemd || *now == '\0') return;
  subscribe();
  reload_all();
}

void SystemdUnits::reload_all() {
  for (auto& [name, unit] : units_) load(*unit);
}

void SystemdUnits::drained() {
  for (auto& [name, unit] : units_) {
    if (!std::exchange(unit->touched, false)) continue;
    unit->settle.start(kSettleMs);
    if (unit->complete) say(*unit, Whence::signal);
    read(*unit);
  }
}

}  // namespace serin::agent
