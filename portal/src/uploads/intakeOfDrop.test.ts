import { expect, it } from "vitest";
import { isSendable, pathOf } from "./intake";
import { intakeOf, leftOut } from "./intakeOfDrop";

const file = (path: string, content: string) => {
  const folders = path.split("/");
  const name = folders.pop() ?? "";
  return { file: new File([Uint8Array.from(content.padEnd(32, "\0"), (each) => each.charCodeAt(0))], name), folders };
};

it("sorts files by their first bytes, whatever their names say, each with its reason", async () => {
  const intake = await intakeOf([
    file("set/a/scan.dat", "\x89PNG"),
    file("set/a/phone.jpg", "\0\0\0\x20ftypheic"),
    file("set/a/web.jpg", "RIFF....WEBPVP8 "),
    file("set/notes.txt", "notes"),
    file("set/broken.zip", "PK\x03\x04"),
  ]);
  expect(intake.candidates.filter(isSendable).map(pathOf)).toEqual(["set/a/scan.dat", "set/a/web.jpg"]);
  const reasons = new Map(leftOut(intake).map(({ name, reason }) => [name, reason]));
  expect([...reasons.keys()].toSorted()).toEqual(["set/a/phone.jpg", "set/broken.zip", "set/notes.txt"]);
  expect(reasons.get("set/a/phone.jpg")).toContain("HEIC");
  expect(reasons.get("set/notes.txt")).toContain("supported format");
});
