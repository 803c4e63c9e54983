// npm's ws as client and as server through the real binary:
//   node ws_test.mjs BIN_FOLDER DEPENDENCIES_FOLDER
import { Suite } from './check.mjs';
import { Stage } from './stage.mjs';
import { addClosingChecks } from './ws_closing.mjs';
import { addHandshakeChecks } from './ws_handshake.mjs';
import { addMessageChecks } from './ws_messages.mjs';

const suite = new Suite();
const stage = new Stage();
addHandshakeChecks(suite, stage);
addMessageChecks(suite, stage);
addClosingChecks(suite, stage);
await suite.run({
  prepare: () => stage.start(),
  finish: () => stage.stop(),
  onFailure: () => stage.sluice?.printTails(),
});
