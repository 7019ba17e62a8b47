#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include "aggregator/render/render.h"
#include "ctl/replay/judge.h"
#include "tests/sim/fleet/fleet.h"
#include "tests/unit/common/temporary_folder.h"
#include "tests/unit/ctl/string_console.h"

namespace serin::ctl {
namespace {

using sim::Fleet;
using testing::AllOf;
using testing::HasSubstr;

PolicySet quick_policy() {
  PolicySet policy;
  policy.fallback.watch_window_seconds = 45;
  policy.fallback.baseline_age_seconds = 20;
  policy.fallback.must_see_errors = 0.05;
  return policy;
}

/// A bad release on one host, put back, then a good one: the stream of a whole story.
std::vector<core::Input> story() {
  static const std::vector<core::Input> kStream = [] {
    Fleet fleet(sim::World{.seed = 3}, quick_policy());
    fleet.releases["v2"] = {.add_errors = 0.08};
    fleet.at(60, [](Fleet& f) { f.start(0, "v2"); });
    fleet.at(150, [](Fleet& f) { f.start(1, "v3"); });
    fleet.run_until(230);
    return fleet.stream();
  }();
  return kStream;
}

/// The same with the policy in it, as the aggregator publishes it at its start.
std::vector<core::Input> recorded_story() {
  std::vector<core::Input> stream;
  const auto live = story();
  stream.push_back(
      {.seq = 1,
       .stored_us = live.front().stored_us - 1,
       .body = Control{.kind = ControlKind::policy, .policy_json = to_json(quick_policy())}});
  for (core::Input input : live) {
    ++input.seq;
    stream.push_back(std::move(input));
  }
  return stream;
}

std::string text_of(const std::vector<core::Input>& stream) {
  std::string text;
  for (const auto& input : stream) {
    text += capture::format({.stored_us = input.stored_us, .seq = input.seq, .body = input.body}) +
            "\n";
  }
  return text;
}

/// All that the fold shows of itself, to the last digit.
std::string seen(const core::Fold& fold) {
  std::string all = render::services(fold.services()) + "\n" + render::hosts(fold.hosts()) + "\n";
  for (const auto& deploy : fold.deploys()) {
    const auto whole = fold.deploy(deploy.id);
    all += render::deploy(*whole) + "\n" + render::evidence(*whole) + "\n";
  }
  return all + fmt::format("{} {}\n", fold.now_us(), fold.last_sequence());
}

TEST(Replay, WhatWasRecordedIsJudgedAsItWasLive) {
  const TemporaryFolder folder;
  const auto stream = recorded_story();
  core::Fold live(PolicySet{});
  for (const auto& input : stream) live.step(input);

  Judged judged;
  Progress progress;
  Messages messages(folder.write("live.ndjson", text_of(stream)), judged, progress);
  Judge judge(std::nullopt);
  while (auto line = messages.next()) judge.take(std::move(*line));
  EXPECT_EQ(judged.lines, stream.size());
  EXPECT_TRUE(judged.skipped.empty());
  ASSERT_EQ(live.deploys().size(), 2u);
  EXPECT_EQ(live.deploys()[1].verdict, "rollback");
  EXPECT_NE(live.deploys()[0].decided_us, 0);
  EXPECT_EQ(seen(judge.fold()), seen(live));
}

TEST(Replay, TheObjectIsTheOneThatWasAgreed) {
  const TemporaryFolder folder;
  const auto file = folder.write("a.ndjson", text_of(recorded_story()));
  StringConsole console;
  ASSERT_EQ(serinctl({"replay", file, "--format", "json"}, console), Exit::done)
      << console.complained;
  EXPECT_EQ(console.said.find("{\"deploys\":[{\"id\":\"api-"), 0u);
  EXPECT_THAT(
      console.said,
      AllOf(HasSubstr("\"version\":\"v2\",\"previous\":\"v1\",\"attempt\":1"),
            HasSubstr("\"verdict\":\"rollback\",\"state\":\"recovered\""),
            HasSubstr("\"version\":\"v3\",\"previous\":\"v1\",\"attempt\":1"),
            HasSubstr("\"file\":\"" + file.native() + "\""),
            HasSubstr("\"kind\":\"evidence\",\"metric\":\"errors\""),
            HasSubstr(fmt::format("\"lines\":{},\"skipped\":[]}}\n", recorded_story().size()))));
}

TEST(Replay, NothingFoundIsAnAnswerToo) {
  const TemporaryFolder folder;
  StringConsole console;
  EXPECT_EQ(serinctl({"replay", "--format", "json", folder.write("a", "\n\n")}, console),
            Exit::done);
  EXPECT_EQ(console.said, "{\"deploys\":[],\"lines\":0,\"skipped\":[]}\n");
}

TEST(Replay, TheTableShowsVerdictsForPeople) {
  const TemporaryFolder folder;
  StringConsole console;
  ASSERT_EQ(serinctl({"replay", folder.write("a.ndjson", text_of(recorded_story()))}, console),
            Exit::done);
  EXPECT_THAT(console.said,
              AllOf(HasSubstr("rollback"), HasSubstr("recovered"), HasSubstr("errors")));
}

TEST(Replay, APolicyThatIsGivenReplacesTheRecordedOne) {
  const TemporaryFolder folder;
  const auto file = folder.write("a.ndjson", text_of(recorded_story()));
  const auto observe = folder.write("p.toml", "[policy.default]\nwatch_window = \"10m\"\n");
  StringConsole console;
  ASSERT_EQ(serinctl({"replay", file, "--policy", observe, "--format", "json"}, console),
            Exit::done);
  EXPECT_THAT(console.said, HasSubstr("\"verdict\":null,\"state\":\"watching\""))
      << "v3's 10 minutes are not over at the file's end";
  const auto bad = folder.write("bad.toml", "[policy.default]\nmood = 1\n");
  EXPECT_EQ(serinctl({"replay", file, "--policy", bad}, console), Exit::usage);
}

TEST(Replay, ATornLineIsNamedCountedAndTheRestIsJudged) {
  const TemporaryFolder folder;
  std::string text = text_of(recorded_story());
  const size_t second = text.find('\n') + 1;
  text.insert(second, "{\"t\":1,\"host\":\n\n");
  text += "{\"t\":400.0,\"host\":\"web-";
  const auto file = folder.write("torn.ndjson", text);
  StringConsole console;
  ASSERT_EQ(serinctl({"replay", file, "--format", "json"}, console), Exit::partly);
  EXPECT_THAT(console.said, AllOf(HasSubstr("\"verdict\":\"rollback\""),
                                  HasSubstr("{\"file\":\"" + file.native() + "\",\"line\":2,")));
  EXPECT_THAT(console.complained,
              AllOf(HasSubstr(file.native() + ":2: "), HasSubstr("2 lines were skipped")));
}

TEST(Replay, AFileFullOfGarbageDoesNotFillTheMemoryWithItsErrors) {
  const TemporaryFolder folder;
  std::string garbage;
  for (int i = 0; i < 5000; ++i) garbage += "no\n";
  garbage += std::string(LineReader::kMostLineBytes + 1'000'000, 'x') + "\nno\n";
  Progress progress;
  const Judged judged = judge_file(folder.write("g", garbage), std::nullopt, progress);
  EXPECT_EQ(judged.skipped_lines, 5002u);
  EXPECT_EQ(judged.skipped.size(), Messages::kMostNamed);
  EXPECT_THAT(judged.skipped.back().error, HasSubstr("not listed"));
}

TEST(LineReader, ALineThatIsTooLongIsOneLine) {
  const TemporaryFolder folder;
  const std::string text = "a\n" + std::string(3 * LineReader::kMostLineBytes, 'x') + "\nb";
  auto bytes = open_bytes(folder.write("l", text));
  ASSERT_TRUE(bytes);
  LineReader lines(std::move(*bytes));
  std::string_view line;
  ASSERT_EQ(lines.next(line), LineReader::Got::line);
  EXPECT_EQ(line, "a");
  ASSERT_EQ(lines.next(line), LineReader::Got::too_long);
  EXPECT_EQ(lines.number(), 2u);
  ASSERT_EQ(lines.next(line), LineReader::Got::line);
  EXPECT_EQ(line, "b");
  EXPECT_EQ(lines.number(), 3u);
  EXPECT_EQ(lines.next(line), LineReader::Got::end);
}

std::string gzipped(const std::string& text) {
  z_stream stream{};
  SERIN_VERIFY(deflateInit2(&stream, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, text.size()), '\0');
  std::string in = text;
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  SERIN_VERIFY(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string zstd(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}

std::string all_of(const std::filesystem::path& file, std::string* error = nullptr) {
  auto bytes = open_bytes(file);
  if (!bytes) return "not opened";
  std::string text;
  for (;;) {
    const auto more = (*bytes)->more(text);
    if (!more && error != nullptr) *error = more.error().message;
    if (!more || !*more) return text;
  }
}

TEST(PackedCaptures, AreReadWhateverTheirName) {
  const TemporaryFolder folder;
  const std::string text = text_of(recorded_story());
  EXPECT_EQ(all_of(folder.write("a", gzipped(text))), text);
  EXPECT_EQ(all_of(folder.write("b", zstd(text))), text);
  const std::string blank(5'000'000, ' ');  // far more comes out than goes in
  EXPECT_EQ(all_of(folder.write("c", gzipped(blank))), blank);
  EXPECT_EQ(all_of(folder.write("d", zstd(blank))), blank);
  EXPECT_EQ(all_of(folder.write("e", gzipped("one\n") + gzipped("two\n"))), "one\ntwo\n");
  EXPECT_EQ(all_of(folder.write("f", zstd("one\n") + zstd("two\n"))), "one\ntwo\n");
}

TEST(PackedCaptures, ThatAreCutOrDamagedGiveWhatTheyHoldAndSaySo) {
  const TemporaryFolder folder;
  const std::string text = text_of(recorded_story());
  for (const std::string& packed : {gzipped(text), zstd(text)}) {
    std::string error;
    const auto cut = folder.write("cut", packed.substr(0, packed.size() / 2));
    const std::string got = all_of(cut, &error);
    EXPECT_THAT(error, HasSubstr("too early"));
    EXPECT_EQ(text.compare(0, got.size(), got), 0);
    StringConsole console;
    EXPECT_EQ(serinctl({"replay", cut, "--format", "json"}, console), Exit::partly);
    EXPECT_THAT(console.complained, HasSubstr("cannot be read on"));
    std::string damaged = packed;
    for (size_t i = 20; i < 60; ++i) damaged[i] = static_cast<char>(damaged[i] ^ 0x5a);
    all_of(folder.write("damaged", damaged), &error);
    EXPECT_NE(error, "");
  }
}

TEST(Replay, SeveralFilesAreFoldedApartInTheirOrder) {
  const TemporaryFolder folder;
  const auto text = text_of(recorded_story());
  std::vector<std::string> words = {"replay", "--format", "json"};
  for (int i = 0; i < 6; ++i) words.push_back(folder.write(fmt::format("f{}", i), text));
  StringConsole console;
  ASSERT_EQ(serinctl(words, console), Exit::done);
  size_t at = 0;
  for (int i = 0; i < 6; ++i) {
    for (int deploy = 0; deploy < 2; ++deploy) {
      at = console.said.find("\"file\":\"" + words[static_cast<size_t>(3 + i)] + "\"", at + 1);
      ASSERT_NE(at, console.said.npos) << i;
    }
  }
}

TEST(Replay, PartsOfOneStreamAreJudgedTogetherAsTheWhole) {
  const TemporaryFolder folder;
  const auto stream = recorded_story();
  std::vector<core::Input> odd, even;
  for (const auto& input : stream) (input.seq % 2 == 1 ? odd : even).push_back(input);
  Progress progress;
  const Judged whole = judge_file(folder.write("whole", text_of(stream)), std::nullopt, progress);
  const Judged parts =
      judge_together({folder.write("even", text_of(even)), folder.write("odd", text_of(odd))},
                     std::nullopt, progress);
  ASSERT_EQ(parts.deploys.size(), whole.deploys.size());
  EXPECT_EQ(parts.lines, whole.lines);
  for (size_t i = 0; i < whole.deploys.size(); ++i) {
    EXPECT_EQ(render::deploy(parts.deploys[i].view), render::deploy(whole.deploys[i].view));
  }
}

TEST(Replay, CountsTheBytesOfTheFilesAsTheyLieThere) {
  const TemporaryFolder folder;
  const std::string text = text_of(recorded_story());
  Progress progress;
  judge_apart({folder.write("a", text), folder.write("b", text)}, std::nullopt, progress);
  EXPECT_EQ(progress.bytes, 2 * text.size());
  EXPECT_EQ(progress.files, 2u);
}

TEST(Replay, ProgressSaysFilesBytesPaceAndWhatIsLeft) {
  Progress progress;
  progress.files = 12;
  progress.bytes = 300'000'000;
  EXPECT_EQ(progress_line(progress, 40, 900'000'000, 6),
            "12 of 40 files, 300 of 900 MB (33 %), 50.0 MB/s, about 12 s more");
  EXPECT_EQ(progress_line(progress, 40, 0, 6), "12 of 40 files, 300 MB, 50.0 MB/s")
      << "from a pipe nobody knows how much comes";
  progress.bytes = 0;
  EXPECT_EQ(progress_line(progress, 1, 900'000'000, 0), "12 of 1 file, 0 of 900 MB (0 %)");
}

TEST(Replay, ExplainsEveryMetricInTextAndJson) {
  const TemporaryFolder folder;
  const auto file = folder.write("story", text_of(recorded_story()));
  Progress progress;
  const Judged judged = judge_file(file, std::nullopt, progress);
  ASSERT_FALSE(judged.deploys.empty());
  ASSERT_FALSE(judged.deploys[0].view.metrics.empty());
  const auto& metric = judged.deploys[0].view.metrics[0];
  EXPECT_TRUE(metric.series.empty()) << "a thousand captures must fit into memory";
  StringConsole console;
  EXPECT_EQ(serinctl({"replay", file}, console), Exit::done);
  EXPECT_THAT(console.said, HasSubstr("What was compared"));
  EXPECT_THAT(console.said, HasSubstr(metric.text.substr(0, metric.text.find(';'))));
  console.said.clear();
  EXPECT_EQ(serinctl({"replay", "--format", "json", file}, console), Exit::done);
  EXPECT_THAT(console.said, HasSubstr("\"text\":\"" + metric.text + "\""));

  std::vector<std::string> many(8, file);
  many.insert(many.begin(), "replay");
  console.said.clear();
  EXPECT_EQ(serinctl(many, console), Exit::done);
  EXPECT_THAT(console.said, testing::Not(HasSubstr("What was compared"))) << "a table is enough";
  many.push_back("--explain");
  EXPECT_EQ(serinctl(many, console), Exit::done);
  EXPECT_THAT(console.said, HasSubstr("What was compared"));
}

TEST(Replay, AFileThatIsNotThereFailsAloneAndOnlyThenTheWhole) {
  const TemporaryFolder folder;
  const auto there = folder.write("there", text_of(recorded_story()));
  const std::string away = folder.path() / "away";
  StringConsole console;
  EXPECT_EQ(serinctl({"replay", away, there}, console), Exit::partly);
  EXPECT_THAT(console.complained, HasSubstr("cannot open " + away));
  EXPECT_EQ(serinctl({"replay", away}, console), Exit::failed);
  EXPECT_EQ(serinctl({"replay", "--together", away, there}, console), Exit::partly);
  EXPECT_EQ(serinctl({"replay", "--together", away}, console), Exit::failed);
  EXPECT_EQ(serinctl({"replay", folder.path()}, console), Exit::failed) << "a folder";
  EXPECT_EQ(serinctl({"replay"}, console), Exit::usage);
}

}  // namespace
}  // namespace serin::ctl
