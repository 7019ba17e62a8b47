#include "aggregator/core/warmup_json.h"

#include <fmt/format.h>

#include <algorithm>

#include "schema/json_reader.h"
#include "schema/json_writer.h"

namespace serin::core {
namespace {

constexpr std::array<std::string_view, judge::kWarmupStreams> kStreams = {
    "errors", "latency_p50", "latency_p90", "latency_p99", "latency_p999"};
constexpr double kMost = 1e15;  // more requests than anybody has

void put(JsonWriter& out, double value) {
  out.raw(fmt::format("{:.6g}", value));
}

double amount(JsonReader& in) {
  const double value = in.number();
  if (!(value >= 0 && value <= kMost)) in.fault("is not an amount");
  return value;
}

judge::WarmupCurve read_curve(JsonReader& in) {
  judge::WarmupCurve curve{};
  size_t bin = 0;
  in.elements([&] {
    std::array<double, 3> count{};
    size_t i = 0;
    in.elements([&] {
      const double value = amount(in);
      if (i < count.size()) count[i++] = value;
    });
    if (i != count.size()) in.fault("is not requests, bad and usual");
    if (count[1] > count[0] || count[2] > count[0]) in.fault("has more bad requests than requests");
    if (bin < curve.size()) curve[bin] = {count[0], count[1], count[2]};
    ++bin;
  });
  if (bin != curve.size()) in.fault("has another number of ages");
  return curve;
}

judge::WarmupProfile::Variation read_variation(JsonReader& in) {
  judge::WarmupProfile::Variation variation;
  size_t i = 0;
  in.elements([&] { (i++ == 0 ? variation.sum : variation.weight) = in.number(); });
  const bool plain = i == 2 && std::abs(variation.sum) <= kMost && variation.weight >= 0 &&
                     variation.weight <= kMost;
  if (!plain) in.fault("is not a sum and a weight");
  return variation;
}

}  // namespace

std::string to_json(const judge::WarmupProfile& profile) {
  JsonWriter out;
  out.open().key("restarts").integer(profile.restarts);
  put(out.key("remembered"), profile.remembered);
  for (size_t s = 0; s < kStreams.size(); ++s) {
    out.key(kStreams[s]).open().key("variation").open('[');
    put(out, profile.variation[s].sum);
    put(out, profile.variation[s].weight);
    out.close(']').key("ages").open('[');
    for (const auto& count : profile.streams[s]) {
      out.open('[');
      for (const double value : {count.requests, count.bad, count.usual}) put(out, value);
      out.close(']');
    }
    out.close(']').close();
  }
  out.close();
  return out.take();
}

Result<judge::WarmupProfile> warmup_from_json(std::string_view json) {
  JsonReader in(json);
  judge::WarmupProfile profile;
  in.members([&](std::string_view key) {
    const auto stream = std::ranges::find(kStreams, key);
    if (key == "restarts") {
      profile.restarts = static_cast<uint32_t>(std::min<uint64_t>(in.count(), UINT32_MAX));
    } else if (key == "remembered") {
      profile.remembered = amount(in);
    } else if (stream != kStreams.end()) {
      const auto s = static_cast<size_t>(stream - kStreams.begin());
      in.members([&](std::string_view part) {
        if (part == "variation") {
          profile.variation[s] = read_variation(in);
        } else if (part == "ages") {
          profile.streams[s] = read_curve(in);
        } else {
          in.skip();
        }
      });
    } else {
      in.skip();
    }
  });
  in.end();
  if (!in.ok()) return fail("warm-up: " + in.error());
  return profile;
}

}  // namespace serin::core
