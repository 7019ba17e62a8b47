#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include <gtest/gtest.h>
#include <iostream>
#include "tests/sim/fleet/fleet.h"
namespace serin::sim {
namespace {
core::DeployState state(const Fleet& f, size_t i = 0) {
  return f.fold().deploys()[i].state;
}
void told(const Fleet& f) {
  for (auto& d : f.audit())
    std::cerr << (d.at_us - f.stream().front().stored_us) / 1e6 << " " << name(d.kind) << " "
              << d.version << " st" << d.stage << " " << d.reason.text << "\n";
  for (auto& d : f.fold().deploys()) {
    std::cerr << d.id << " " << core::name(d.state);
    for (auto& h : d.hosts)
      std::cerr << " [" << h.host << " left=" << h.left << " step=" << h.step
                << " cmd=" << (h.commanded_us != 0) << "]";
    std::cerr << "\n";
  }
}

/// Drives a fold by hand. Every host sends each second; `what` may differ per host.
struct Rig {
  struct Host {
    std::string version = "v1", gen = "g1";
    Phase phase = Phase::serving;
    uint64_t seq = 0, boot = 1;
    uint64_t requests = 100, errors = 0;
    bool sends = true;
    int interval = 1;
  };
  core::Fold fold;
  std::vector<Host> hosts;
  double now = 0;
  std::vector<core::Input> stream;
  uint64_t seq = 0;
  std::vector<Decision> audit;
  std::vector<Command> commands;
  explicit Rig(int n, PolicySet p = quick_policy()) : fold(p), hosts(n) {}
  static int64_t us(double s) { return 1'700'000'000'000'000 + int64_t(s * 1e6); }
  void put(std::variant<Sample, Event, Control> b, double at) {
    core::Input in;
    in.seq = ++seq;
    in.stored_us = std::max(us(at), stream.empty() ? 0 : stream.back().stored_us + 1);
    in.body = std::move(b);
    stream.push_back(in);
    for (auto& e : fold.step(in)) {
      if (auto* d = std::get_if<Decision>(&e)) audit.push_back(*d);
      if (auto* c = std::get_if<core::CommandOrder>(&e)) commands.push_back(c->command);
    }
  }
  Identity id(int h) {
    return {"h" + std::to_string(h), "boot" + std::to_string(hosts[h].boot), hosts[h].boot,
            ++hosts[h].seq};
  }
  void event(int h, Event e) {
    e.service = "api";
    e.from = id(h);
    put(e, now);
  }
  void sample(int h) {
    Host& x = hosts[h];
    Sample s;
    s.service = "api";
    s.phase = x.phase;
    bool down = x.phase == Phase::down;
    s.version = down ? "" : x.version;
    s.generation = down ? "" : x.gen;
    s.interval_us = x.interval * 1'000'000;
    s.age_us = 1000;
    if (!down) {
      RequestMetrics r;
      r.requests = x.requests * x.interval;
      r.errors = x.errors * x.interval;
      for (uint64_t i = 0; i < r.requests; ++i)
        r.latency.record(0.05 * (1 + 0.01 * double(i % 37)));
      s.requests = r;
    }
    s.from = id(h);
    put(s, now + 0.001 * h);
  }
  void start(int h, std::string v, bool same_name = false, std::string prev = "") {
    Event e;
    e.kind = EventKind::version_started;
    e.version = v;
    e.previous = prev.empty() ? hosts[h].version : prev;
    e.generation = hosts[h].gen = "g" + std::to_string(seq);
    e.same_name = same_name;
    hosts[h].version = v;
    hosts[h].phase = Phase::serving;
    event(h, e);
  }
  void run(double until) {
    while (now < until) {
      now += 1;
      for (int h = 0; h < int(hosts.size()); ++h)
        if (hosts[h].sends && int(now) % hosts[h].interval == 0) sample(h);
      Control c;
      put(c, now + 0.1);
    }
  }
  /// A fleet that is known, and ten seconds of a watch.
  void watch_v2_on_the_first_host() {
    run(60);
    start(0, "v2");
    run(70);
  }
  bool has(DecisionKind k, std::string v = "") {
    for (auto& d : audit)
      if (d.kind == k && (v.empty() || d.version == v)) {
        std::cerr << "  " << name(k) << " " << d.version << ": " << d.reason.text << "\n";
        return true;
      }
    return false;
  }
};

TEST(Story, JoinWhileRecoveryIsVerifiedIsPutBackToo) {
  Fleet f(World{}, quick_policy());
  f.releases["v2"] = {.add_errors = 0.3};
  f.run_until(60);
  f.start(0, "v2");
  while (f.now() < 200 && state(f) != core::DeployState::rolled_back) f.run_until(f.now() + 1);
  f.start(1, "v2");
  f.run_until(f.now() + 200);
  told(f);
  EXPECT_EQ(f.version_on(1), "v1");
}
TEST(Story, UnreachableHostDoesNotKeepTheOthersBad) {
  Fleet f(World{}, quick_policy());
  f.releases["v2"] = {.add_errors = 0.3};
  f.run_until(60);
  f.start(0, "v2");
  f.start(1, "v2");
  f.run_until(62);
  f.silence(0, 1000, false);
  f.run_until(300);
  told(f);
  EXPECT_EQ(f.version_on(1), "v1");
}
TEST(Story, SameNameIsOneHostNotTheFleet) {
  Rig r(6);
  for (auto& h : r.hosts) h.version = "v0";
  r.run(10);
  for (int h = 0; h < 6; ++h) r.start(h, "v1");
  r.run(15);
  {
    Control c;
    c.kind = ControlKind::act;
    c.act = Act::pass;
    c.actor = "ann";
    c.deploy = r.fold.deploys()[0].id;
    r.put(c, r.now + .2);
  }
  r.run(60);
  r.start(0, "v1", true, "v0");
  r.run(62);
  for (int i = 0; i < 3; ++i) {
    Event e;
    e.kind = EventKind::process_died;
    e.version = "v1";
    r.event(0, e);
  }
  r.run(200);
  for (auto& c : r.commands)
    std::cerr << "command " << c.host << " " << c.condemned << " -> " << c.target << "\n";
  auto d = r.fold.deploys();
  ASSERT_EQ(d.size(), 2u);
  EXPECT_EQ(d[0].hosts.size(), 1u);
}
TEST(Story, StartingPhaseIsNoSlo) {
  auto p = quick_policy();
  p.fallback.slo_errors = 0.2;
  Rig r(6, p);
  r.run(60);
  r.start(0, "v2");
  r.hosts[0].phase = Phase::starting;
  r.hosts[0].errors = 100;
  r.run(65);
  r.hosts[0].phase = Phase::serving;
  r.hosts[0].errors = 0;
  r.run(110);
  EXPECT_FALSE(r.has(DecisionKind::rollback));
}
TEST(Story, DeadHostOfAnEarlierStageIsNotSilenceOfThisOne) {
  Fleet f(World{.hosts = 8}, quick_policy());
  f.run_until(60);
  f.start(0, "v2");
  f.run_until(230);
  f.silence(0, 10000, false);
  f.run_until(400);
  f.start(1, "v2");
  f.run_until(520);
  told(f);
  EXPECT_EQ(f.find(DecisionKind::rollback), nullptr);
}
TEST(Story, HostReboot) {
  Rig r(6);
  r.watch_v2_on_the_first_host();
  Event fin;
  fin.kind = EventKind::final_;
  Event died;
  died.kind = EventKind::process_died;
  died.version = "v2";
  died.generation = r.hosts[0].gen;
  r.event(0, died);
  r.event(0, fin);
  r.hosts[0].sends = false;
  r.run(95);
  r.hosts[0].boot = 2;
  r.hosts[0].seq = 0;
  r.hosts[0].phase = Phase::down;
  r.hosts[0].sends = true;
  r.run(98);
  EXPECT_FALSE(r.has(DecisionKind::rollback));
}
TEST(Story, ExpectedStop) {
  Rig r(6);
  r.watch_v2_on_the_first_host();
  Event died;
  died.kind = EventKind::process_died;
  died.version = "v2";
  died.expected = true;
  r.event(0, died);
  r.hosts[0].phase = Phase::down;
  r.run(85);
  EXPECT_FALSE(r.has(DecisionKind::rollback));
}
TEST(Story, UnknownVersionIsNotGone) {
  Rig r(6);
  r.watch_v2_on_the_first_host();
  Event died;
  died.kind = EventKind::process_died;
  died.version = "v2";
  r.event(0, died);
  r.hosts[0].version = "";
  r.hosts[0].gen = "g-new";
  Event st;
  st.kind = EventKind::version_started;
  st.generation = "g-new";
  st.ambiguous = true;
  r.event(0, st);
  r.run(90);
  EXPECT_FALSE(r.has(DecisionKind::rollback));
}
TEST(Story, MixedFleetAtInstallSurvivesARestart) {
  Rig r(6);
  r.hosts[5].version = "v2";
  r.run(30);
  EXPECT_EQ(r.fold.deploys().size(), 0u);
  core::Fold again(quick_policy());
  for (auto& d : r.audit) again.adopt(d);
  for (auto& i : r.stream) again.step(i);
  EXPECT_EQ(again.deploys().size(), 0u);
}
TEST(Story, PersonRollsBackWhatPassedOnTwoHosts) {
  Fleet f(World{.hosts = 8}, quick_policy());
  f.run_until(60);
  f.start(0, "v2");
  f.start(1, "v2");
  f.run_until(240);
  f.person_acts(Act::rollback, "ann");
  f.run_until(400);
  told(f);
  EXPECT_EQ(f.version_on(0), "v1");
  EXPECT_EQ(f.version_on(1), "v1");
}
TEST(Story, FarewellFilledLate) {
  Rig r(6);
  r.watch_v2_on_the_first_host();
  Sample late;
  {
    auto i = r.id(0);
    late.from = i;
    late.service = "api";
    late.version = "v2";
    late.generation = r.hosts[0].gen;
  }
  Event fin;
  fin.kind = EventKind::final_;
  r.event(0, fin);
  r.hosts[0].sends = false;
  r.put(late, r.now + 0.5);
  r.run(100);
  EXPECT_FALSE(r.has(DecisionKind::rollback));
}
TEST(Story, TenSecondBaselineIsJudged) {
  Rig r(6);
  for (int h = 1; h < 6; ++h) r.hosts[h].interval = 10;
  r.run(600);
  r.start(0, "v2");
  r.hosts[0].errors = 30;
  r.run(700);
  EXPECT_TRUE(r.has(DecisionKind::rollback));
  auto d = *r.fold.deploy(r.fold.deploys()[0].id);
  std::cerr << "baseline hosts " << d.baseline_hosts.size() << " late " << r.fold.counters().late
            << " " << d.reason.text << "\n";
}
TEST(Story, PersonPutsBackBesideTheCommand) {
  Fleet f(World{}, quick_policy());
  f.releases["v2"] = {.add_errors = 0.3};
  f.helper_fails(0);
  f.run_until(60);
  f.start(0, "v2");
  while (f.now() < 200 && state(f) != core::DeployState::rollback_failed) f.run_until(f.now() + 1);
  f.start(0, "v1");
  f.run_until(f.now() + 300);
  told(f);
  EXPECT_NE(f.fold().deploys()[0].ended_us, 0);
}
TEST(Story, InconclusiveCanBePassedByHand) {
  Fleet f(World{}, quick_policy());
  f.releases["v2"] = {.traffic = 0};
  f.run_until(60);
  f.start(0, "v2");
  f.run_until(200);
  f.person_acts(Act::pass, "ann");
  f.run_until(210);
  EXPECT_NE(f.find(DecisionKind::pass), nullptr);
}
TEST(Story, NextReleaseDuringRecoveryIsNotNotTheCause) {
  Fleet f(World{}, quick_policy());
  f.releases["v2"] = {.lifetime_seconds = 2};
  f.run_until(60);
  f.start(0, "v2");
  while (f.now() < 200 && state(f) != core::DeployState::rolled_back) f.run_until(f.now() + 1);
  f.start(0, "v3");
  f.run_until(f.now() + 200);
  told(f);
  EXPECT_EQ(f.find(DecisionKind::not_the_cause), nullptr);
}
TEST(Story, ManyHostsMissingSamplesRecover) {
  auto p = quick_policy();
  p.fallback.max_parallel = 1;
  Fleet f(World{.hosts = 60, .rate = 5, .missing = 0.02}, p);
  f.releases["v2"] = {.lifetime_seconds = 2};
  f.run_until(60);
  for (int h = 0; h < 25; ++h) f.start(h, "v2");
  f.run_until(300);
  EXPECT_EQ(f.find(DecisionKind::not_the_cause), nullptr);
}
TEST(Story, RejoinWhileRollingBackIsPutBackAgain) {
  Fleet f(World{.hosts = 8}, quick_policy());
  f.releases["v2"] = {.add_errors = 0.3};
  f.run_until(60);
  for (int h = 0; h < 4; ++h) f.start(h, "v2");
  while (f.now() < 200 && f.executed(0) == 0) f.run_until(f.now() + 1);
  f.run_until(f.now() + 1);
  std::cerr << core::name(state(f)) << "\n";
  f.start(0, "v2");
  f.run_until(f.now() + 300);
  told(f);
  for (int h = 0; h < 4; ++h) EXPECT_EQ(f.version_on(h), "v1") << h;
}
TEST(Story, HoldStopsFurtherCommands) {
  Fleet f(World{.hosts = 8}, quick_policy());
  f.releases["v2"] = {.add_errors = 0.3};
  f.run_until(60);
  for (int h = 0; h < 4; ++h) f.start(h, "v2");
  while (f.now() < 200 && f.executed(0) == 0) f.run_until(f.now() + 1);
  f.person_acts(Act::hold, "ann");
  f.run_until(f.now() + 60);
  EXPECT_EQ(f.executed(3), 0);
}
TEST(Story, RollbackOfOneHost) {
  Rig r(6);
  r.run(60);
  r.start(0, "v2");
  r.start(1, "v2");
  r.run(70);
  Control c;
  c.kind = ControlKind::act;
  c.act = Act::rollback;
  c.actor = "ann";
  c.deploy = r.fold.deploys()[0].id;
  c.service = "api";
  c.host = "h1";
  r.put(c, r.now + 0.2);
  r.run(72);
  ASSERT_EQ(r.commands.size(), 1u);
  EXPECT_EQ(r.commands[0].host, "h1");
}
TEST(Story, FleetWideIncidentIsNoSlo) {
  auto p = quick_policy();
  p.fallback.slo_errors = 0.2;
  Rig r(6, p);
  r.run(60);
  r.start(0, "v2");
  r.run(75);
  for (auto& h : r.hosts) h.errors = 60;
  r.run(90);
  EXPECT_FALSE(r.has(DecisionKind::rollback));
}
TEST(Story, NewHostOnSettledOpenVersionJoins) {
  Rig r(8);
  r.run(60);
  r.start(0, "v2");
  Control c;
  r.run(70);
  c.kind = ControlKind::act;
  c.act = Act::pass;
  c.actor = "ann";
  c.deploy = r.fold.deploys()[0].id;
  c.service = "api";
  r.put(c, r.now + .2);
  r.run(80);
  r.start(1, "v2");
  r.run(85);
  ASSERT_EQ(r.fold.deploys().size(), 2u);
  r.hosts.push_back({});
  r.hosts[8].version = "v2";
  r.run(95);
  EXPECT_EQ(r.fold.deploys()[0].hosts.size(), 3u);
}
TEST(Story, PassThenRollbackThenRestart) {
  Rig r(8);
  r.watch_v2_on_the_first_host();
  Control c;
  c.kind = ControlKind::act;
  c.act = Act::pass;
  c.actor = "ann";
  c.deploy = r.fold.deploys()[0].id;
  c.service = "api";
  r.put(c, r.now + .2);
  r.run(80);
  r.start(1, "v2");
  r.run(85);
  Control k = c;
  k.act = Act::rollback;
  r.put(k, r.now + .2);
  r.run(90);
  core::Fold again(quick_policy());
  for (auto& d : r.audit) again.adopt(d);
  for (auto& i : r.stream) again.step(i);
  ASSERT_EQ(again.deploys().size(), r.fold.deploys().size());
}
}  // namespace
}  // namespace serin::sim
