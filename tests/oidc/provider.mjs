// An identity provider that we did not write: oidc-provider, certified by the OpenID Foundation, with its own pages for signing in and consent.
// The first line of standard input says who is there and which clients; one line of standard output says where it listens; it ends with
// standard input.
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer } from 'node:https';
import { createInterface } from 'node:readline';
import Provider from 'oidc-provider';

// It warns of what is for development alone, on standard output.
console.warn = console.info = console.log = console.error;

const key = (alg, type, options) => {
  const { privateKey } = generateKeyPairSync(type, options);
  return { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), use: 'sig', alg };
};

const lines = createInterface({ input: process.stdin });
lines.on('close', () => process.exit(0));
lines.once('line', (line) => {
  const setup = JSON.parse(line);
  const server = createServer({ cert: setup.certificate, key: setup.key });
  server.listen(setup.port, '127.0.0.1', () => {
    const issuer = `https://localhost:${server.address().port}`;
    const provider = new Provider(issuer, {
      clients: setup.clients,
      jwks: {
        keys: [
          key('RS256', 'rsa', { modulusLength: 2048 }),
          key('PS256', 'rsa', { modulusLength: 2048 }),
          key('ES256', 'ec', { namedCurve: 'P-256' }),
          key('EdDSA', 'ed25519'),
        ],
      },
      enabledJWA: { idTokenSigningAlgValues: ['RS256', 'PS256', 'ES256', 'EdDSA', 'HS256'] },
      claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
      // Off: what is asked for by scope stands in the ID token as well, as most providers do it.
      conformIdTokenClaims: setup.conform,
      cookies: { keys: [randomUUID()] },
      ttl: { AccessToken: 60, AuthorizationCode: 60, IdToken: 300, Interaction: 600, Session: 600, Grant: 600 },
      findAccount: (_, id) => {
        const claims = setup.accounts[id];
        return claims && { accountId: id, claims: () => ({ ...claims, sub: id }) };
      },
    });
    provider.on('server_error', (_, error) => console.error(error));
    server.on('request', provider.callback());
    process.stdout.write(`${JSON.stringify({ issuer })}\n`);
  });
});
