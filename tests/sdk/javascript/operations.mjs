// The operations of a client class of Microsoft's official JavaScript SDK.

// Of each method: the names of its arguments in their order, "options" last, and the specification of its
// operation, which the SDK exports nowhere. A method hands both to `sendOperationRequest`.
export function operationsOf(client) {
  const found = {};
  for (const name of Object.getOwnPropertyNames(client.prototype)) {
    if (name === "constructor") continue;
    const witness = {
      sendOperationRequest(sent, specification) {
        found[name] = { argumentNames: Object.keys(sent), specification };
      },
    };
    client.prototype[name].call(witness);
  }
  return found;
}
