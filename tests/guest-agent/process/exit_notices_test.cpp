#include "guest-agent/process/exit_notices.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "base/file.h"

namespace locket::guest_agent {
namespace {

class ExitNoticesTest : public ::testing::Test {
 protected:
  ExitNoticesTest() {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    writer_.reset(ends[1]);
    notices_ = std::make_unique<ExitNotices>(UniqueFd(ends[0]));
  }
  ~ExitNoticesTest() override { writer_.reset(); }

  void Report(pid_t pid, int wait_status) {
    const ExitRecord record{.pid = pid, .wait_status = wait_status};
    EXPECT_TRUE(WriteFull(writer_.get(), std::as_bytes(std::span(&record, 1))).ok());
  }

  UniqueFd writer_;
  std::unique_ptr<ExitNotices> notices_;
};

TEST_F(ExitNoticesTest, StatusesAreCountedAsAShellDoes) {
  Report(10, W_EXITCODE(3, 0));
  Report(11, W_EXITCODE(0, SIGKILL));
  EXPECT_EQ(notices_->Await(11, 0)->exit_status, 128 + SIGKILL);
  EXPECT_EQ(notices_->Await(10, 0)->exit_status, 3);
}

TEST_F(ExitNoticesTest, ANoticeThatComesLaterIsWaitedFor) {
  std::thread later([this] { Report(10, 0); });
  EXPECT_EQ(notices_->Await(10, 0)->exit_status, 0);
  later.join();
}

TEST_F(ExitNoticesTest, AnEarlierProcessOfTheSameNumberDoesNotCount) {
  Report(10, W_EXITCODE(1, 0));
  Report(99, 0);
  ASSERT_TRUE(notices_->Await(99, 0).ok());  // both are in
  const auto mark = notices_->Now();
  Report(10, W_EXITCODE(2, 0));
  EXPECT_EQ(notices_->Await(10, mark)->exit_status, 2);
}

TEST_F(ExitNoticesTest, TheEndOfTheRecordsEndsTheWait) {
  writer_.reset();
  const auto notice = notices_->Await(10, 0);
  ASSERT_FALSE(notice.ok());
  EXPECT_EQ(notice.error().code(), ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace locket::guest_agent
