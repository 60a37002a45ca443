// What the pages share: settings from the fragment of the address, and the report of the result to its server.

const settings = JSON.parse(decodeURIComponent(location.hash.slice(1)));

async function report(promise) {
  let outcome;
  try {
    outcome = { result: await promise };
  } catch (error) {
    outcome = { error: { name: error.name, message: error.message, status: error.statusCode, body: error.body } };
  }
  await fetch("/outcome", { method: "POST", body: JSON.stringify(outcome) });
}
