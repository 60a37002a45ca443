/** A logged request as a program that sends it again. Bodies are not in the log. */
import type { EmulatorTypes } from "../../../api/client";

export type LoggedRequest = EmulatorTypes["schemas"]["LoggedRequest"];
export const LANGUAGES = ["curl", "Python", "JavaScript"] as const;
type Language = (typeof LANGUAGES)[number];

const BODY_METHODS = new Set(["POST", "PATCH", "PUT"]);
const literal = (text: string) => JSON.stringify(text);
/** A word for a shell: in single quotes. */
const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;

/** The program; its key is that of an environment variable, so that no key is copied by accident. */
export function snippet(language: Language, request: LoggedRequest, endpoint: string): string {
  const url = `${endpoint}${request.path}${request.query ? `?${request.query}` : ""}`;
  const isPrediction = request.api === "prediction";
  const header = isPrediction ? "Prediction-Key" : "Training-Key";
  const variable = isPrediction ? "VISION_PREDICTION_KEY" : "VISION_TRAINING_KEY";
  const hasBody = BODY_METHODS.has(request.method) && request.bytesIn > 0;
  const note = `${request.bytesIn} bytes of a body were sent, which the log does not keep.`;
  switch (language) {
    case "curl":
      return (
        `${hasBody ? `# ${note}\n` : ""}curl --request ${request.method} ${quoted(url)} \\\n` +
        `  --header "${header}: $${variable}"${hasBody ? " \\\n  --data @body.json --header 'Content-Type: application/json'" : ""}\n`
      );
    case "Python":
      return (
        `import os\nimport urllib.request\n\n${hasBody ? `# ${note}\n` : ""}request = urllib.request.Request(\n    ${literal(url)},\n` +
        `    method=${literal(request.method)},\n    headers={${literal(header)}: os.environ[${literal(variable)}]},\n` +
        `${hasBody ? '    data=open("body.json", "rb").read(),\n' : ""})\n` +
        `with urllib.request.urlopen(request) as response:\n    print(response.status, response.read().decode())\n`
      );
    case "JavaScript":
      return (
        `${hasBody ? `// ${note}\nimport { readFileSync } from "node:fs";\n\n` : ""}const response = await fetch(${literal(url)}, {\n` +
        `  method: ${literal(request.method)},\n  headers: { ${literal(header)}: process.env.${variable} },\n` +
        `${hasBody ? '  body: readFileSync("body.json"),\n' : ""}});\nconsole.log(response.status, await response.text());\n`
      );
  }
}
