import 'veristar-verifier/badge';
