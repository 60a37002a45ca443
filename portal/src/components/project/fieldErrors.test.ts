import { expect, it } from "vitest";
import { ApiError, Problem } from "../../api/errors";
import { refusalOf } from "./fieldErrors";

it("leads the errors of the service to their fields", () => {
  expect(refusalOf(new ApiError(400, "BadRequestProjectName", "The name must not be empty."))).toEqual({
    field: "name",
    message: "The name must not be empty.",
  });
  expect(refusalOf(new ApiError(400, "BadRequestProjectLimitExceeded", "No more projects.")).field).toBeNull();
  expect(refusalOf(new Problem("The file is empty.")).message).toBe("The file is empty.");
});
