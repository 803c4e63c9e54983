// npm's ws as client and as server through the real binary:
//   node ws_test.mjs BIN_FOLDER DEPENDENCIES_FOLDER [tls]
import { Certificates } from './certificates.mjs';
import { Suite } from './check.mjs';
import { overTls } from './dependencies.mjs';
import { Stage } from './stage.mjs';
import { addClosingChecks } from './ws_closing.mjs';
import { addHandshakeChecks } from './ws_handshake.mjs';
import { addMessageChecks } from './ws_messages.mjs';
import { addTlsChecks } from './ws_tls.mjs';

const suite = new Suite();
const stage = new Stage(overTls ? new Certificates() : undefined);
addHandshakeChecks(suite, stage);
addMessageChecks(suite, stage);
addClosingChecks(suite, stage);
if (overTls) addTlsChecks(suite, stage);
await suite.run({
  prepare: () => stage.start(),
  finish: () => stage.stop(),
  onFailure: () => stage.sluice?.printTails(),
});
