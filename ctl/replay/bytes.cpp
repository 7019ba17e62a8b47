#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <array>
#include <cerrno>
#include <vector>

#include "common/file.h"
#include "ctl/replay/lines.h"

namespace serin::ctl {
namespace {

constexpr size_t kChunkBytes = size_t{256} << 10;
/// A zstd window of 128 MiB is what `zstd --long` makes; more would be memory for a stranger's
/// file.
constexpr int kMostWindowLog = 27;

/// A file as it is.
class PlainBytes final : public ByteSource {
 public:
  PlainBytes(UniqueFd fd, std::string name, std::atomic<uint64_t>* read)
      : fd_(std::move(fd)), name_(std::move(name)), read_(read) {}

  Result<bool> more(std::string& into) override {
    const size_t before = into.size();
    into.resize(before + kChunkBytes);
    for (;;) {
      const ssize_t got = ::read(fd_.get(), into.data() + before, kChunkBytes);
      if (got < 0 && errno == EINTR) continue;
      into.resize(before + (got > 0 ? static_cast<size_t>(got) : 0));
      if (read_ != nullptr && got > 0) *read_ += static_cast<uint64_t>(got);
      if (got < 0) return fail(fmt::format("cannot read {}: {}", name_, errno_text(errno)));
      return got > 0;
    }
  }

 private:
  UniqueFd fd_;
  std::string name_;
  std::atomic<uint64_t>* read_;
};

/// What was read to look at the first bytes, then the rest.
class Begun final : public ByteSource {
 public:
  Begun(std::string first, std::unique_ptr<ByteSource> rest)
      : first_(std::move(first)), rest_(std::move(rest)) {}

  Result<bool> more(std::string& into) override {
    if (first_.empty()) return rest_->more(into);
    into += first_;
    first_.clear();
    return true;
  }

 private:
  std::string first_;
  std::unique_ptr<ByteSource> rest_;
};

/// Feeds packed bytes to an unpacker until something comes out.
class Unpacked : public ByteSource {
 public:
  explicit Unpacked(std::unique_ptr<ByteSource> packed) : packed_(std::move(packed)) {}

  Result<bool> more(std::string& into) override {
    const size_t before = into.size();
    while (into.size() == before) {
      // A chunk that was filled to its end may have left more inside the unpacker.
      if (used_ == input_.size() && (ended() || !filled_)) {
        input_.clear();
        used_ = 0;
        const auto got = packed_->more(input_);
        if (!got) return got;
        if (*got) continue;
        if (ended()) return false;
        return fail("the packed data ends too early");
      }
      if (auto done = unpack(into); !done) return std::unexpected(done.error());
      filled_ = into.size() == before + kChunkBytes;
    }
    return true;
  }

 protected:
  /// Takes from input_ at used_, at least a byte, and appends what comes out.
  virtual Result<void> unpack(std::string& into) = 0;
  /// Between two members or frames, where a file may end.
  [[nodiscard]] virtual bool ended() const = 0;

  std::string input_;
  size_t used_ = 0;

 private:
  std::unique_ptr<ByteSource> packed_;
  bool filled_ = false;
};

class GzipBytes final : public Unpacked {
 public:
  explicit GzipBytes(std::unique_ptr<ByteSource> packed) : Unpacked(std::move(packed)) {
    constexpr int kGzipOnly = 16;
    SERIN_VERIFY(inflateInit2(&stream_, MAX_WBITS + kGzipOnly) == Z_OK);
  }
  ~GzipBytes() override { inflateEnd(&stream_); }
  GzipBytes(const GzipBytes&) = delete;
  GzipBytes& operator=(const GzipBytes&) = delete;

 private:
  Result<void> unpack(std::string& into) override {
    if (ended_) {  // another member follows, as when files were put together with cat
      inflateReset(&stream_);
      ended_ = false;
    }
    const size_t before = into.size();
    into.resize(before + kChunkBytes);
    stream_.next_in = reinterpret_cast<Bytef*>(input_.data() + used_);
    stream_.avail_in = static_cast<uInt>(input_.size() - used_);
    stream_.next_out = reinterpret_cast<Bytef*>(into.data() + before);
    stream_.avail_out = static_cast<uInt>(kChunkBytes);
    const int code = inflate(&stream_, Z_NO_FLUSH);
    used_ = input_.size() - stream_.avail_in;
    into.resize(before + kChunkBytes - stream_.avail_out);
    if (code == Z_STREAM_END) ended_ = true;
    if (code == Z_OK || code == Z_STREAM_END || code == Z_BUF_ERROR) return {};
    return fail(fmt::format("the gzip data is damaged ({})",
                            stream_.msg != nullptr ? stream_.msg : zError(code)));
  }
  [[nodiscard]] bool ended() const override { return ended_; }

  z_stream stream_{};
  bool ended_ = false;
};

class ZstdBytes final : public Unpacked {
 public:
  explicit ZstdBytes(std::unique_ptr<ByteSource> packed)
      : Unpacked(std::move(packed)), stream_(ZSTD_createDStream()) {
    SERIN_VERIFY(stream_ != nullptr);
    ZSTD_DCtx_setParameter(stream_, ZSTD_d_windowLogMax, kMostWindowLog);
  }
  ~ZstdBytes() override { ZSTD_freeDStream(stream_); }
  ZstdBytes(const ZstdBytes&) = delete;
  ZstdBytes& operator=(const ZstdBytes&) = delete;

 private:
  Result<void> unpack(std::string& into) override {
    const size_t before = into.size();
    into.resize(before + kChunkBytes);
    ZSTD_inBuffer in{input_.data(), input_.size(), used_};
    ZSTD_outBuffer out{into.data() + before, kChunkBytes, 0};
    const size_t left = ZSTD_decompressStream(stream_, &out, &in);
    used_ = in.pos;
    into.resize(before + out.pos);
    if (ZSTD_isError(left) != 0) {
      return fail(fmt::format("the zstd data is damaged ({})", ZSTD_getErrorName(left)));
    }
    ended_ = left == 0;
    return {};
  }
  [[nodiscard]] bool ended() const override { return ended_; }

  ZSTD_DStream* stream_;
  bool ended_ = false;
};

}  // namespace

Result<std::unique_ptr<ByteSource>> open_bytes(const std::string& file,
                                               std::atomic<uint64_t>* read) {
  UniqueFd fd(file == "-" ? ::dup(STDIN_FILENO) : ::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail(fmt::format("cannot open {}: {}", file, errno_text(errno)));
  auto plain = std::make_unique<PlainBytes>(std::move(fd), file, read);
  std::string first;
  if (auto got = plain->more(first); !got) return std::unexpected(got.error());
  const bool gzip = first.starts_with("\x1f\x8b");
  const bool zstd = first.starts_with("\x28\xb5\x2f\xfd");
  auto whole = std::make_unique<Begun>(std::move(first), std::move(plain));
  if (gzip) return std::make_unique<GzipBytes>(std::move(whole));
  if (zstd) return std::make_unique<ZstdBytes>(std::move(whole));
  return whole;
}

}  // namespace serin::ctl
