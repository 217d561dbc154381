import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.InvalidAlgorithmParameterException;
import java.security.Security;
import java.security.cert.CRL;
import java.security.cert.CRLException;
import java.security.cert.CRLSelector;
import java.security.cert.CertPath;
import java.security.cert.CertPathBuilder;
import java.security.cert.CertPathBuilderException;
import java.security.cert.CertPathValidator;
import java.security.cert.CertPathValidatorException;
import java.security.cert.CertSelector;
import java.security.cert.CertStore;
import java.security.cert.CertStoreException;
import java.security.cert.CertStoreSpi;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.CollectionCertStoreParameters;
import java.security.cert.LDAPCertStoreParameters;
import java.security.cert.PKIXBuilderParameters;
import java.security.cert.PKIXCertPathBuilderResult;
import java.security.cert.PKIXRevocationChecker;
import java.security.cert.TrustAnchor;
import java.security.cert.X509CertSelector;
import java.security.cert.X509Certificate;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Date;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Java's own verdict on certificates, by the PKIX algorithm of RFC 5280 that comes with the JDK.
 *
 * <p>Each line of input is a question: {@code FOLDER MOMENT POLICY,POLICY,... [OPTION,OPTION,...]}. The folder holds the
 * files {@code anchor}, {@code target}, {@code certificates} and {@code lists}, each with one or more things in DER or
 * PEM, and it may hold {@code path}, from the target up: where the builder finds nothing, the validator then explains why
 * this one is none. The moment is in ISO 8601. The options are {@code implicit} (no explicit policy is required),
 * {@code inhibit-mapping}, {@code inhibit-any}, and {@code ldap=PORT}: what is published is then also looked up in the
 * directory at this port of 127.0.0.1. Each line of output is its answer: {@code valid LENGTH}, with the number of
 * certificates from below the anchor to the target, or {@code refused REASON: words}.
 */
public final class PathJudge {
    private static final CertificateFactory X509;

    static {
        try {
            X509 = CertificateFactory.getInstance("X.509");
        } catch (GeneralSecurityException impossible) {
            throw new ExceptionInInitializerError(impossible);
        }
    }

    private final X509Certificate target;
    private final Set<TrustAnchor> anchors = new HashSet<>();
    private final List<CertStore> known = new ArrayList<>();
    private final Date moment;
    private final Set<String> policies;
    private final Set<String> options;
    private final Path drawn;

    private PathJudge(Path folder, Instant moment, Set<String> policies, Set<String> options) throws Exception {
        target = (X509Certificate) certificates(folder.resolve("target")).get(0);
        for (var anchor : certificates(folder.resolve("anchor"))) {
            anchors.add(new TrustAnchor((X509Certificate) anchor, null));
        }
        List<Object> all = new ArrayList<>(certificates(folder.resolve("certificates")));
        all.add(target);
        try (var stream = Files.newInputStream(folder.resolve("lists"))) {
            all.addAll(X509.generateCRLs(stream));
        }
        known.add(new Bounded(CertStore.getInstance("Collection", new CollectionCertStoreParameters(all))));
        for (String option : options) {
            if (option.startsWith("ldap=")) {
                int port = Integer.parseInt(option.substring(5));
                known.add(new Bounded(CertStore.getInstance("LDAP", new LDAPCertStoreParameters("127.0.0.1", port))));
            }
        }
        this.moment = Date.from(moment);
        this.policies = policies;
        this.options = options;
        drawn = folder.resolve("path");
    }

    public static void main(String[] arguments) throws Exception {
        // A list is found by the directory name of the distribution point as well as by its issuer.
        Security.setProperty("com.sun.security.enableCRLDP", "true");
        System.setProperty("com.sun.security.enableCRLDP", "true");
        var input = new BufferedReader(new InputStreamReader(System.in));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            String[] words = line.split(" ");
            System.out.println(answer(words).replaceAll("\\s+", " "));
            System.out.flush();
        }
    }

    private static String answer(String[] words) throws Exception {
        Set<String> options = words.length > 3 ? Set.of(words[3].split(",")) : Set.of();
        try {
            var judge = new PathJudge(Path.of(words[0]), Instant.parse(words[1]), Set.of(words[2].split(",")), options);
            return judge.verdict();
        } catch (CertificateException | CRLException unreadable) {
            return "refused UNREADABLE: " + unreadable.getMessage();
        } catch (Endless endless) {
            return "refused ENDLESS: it asks for the same list for ever";
        }
    }

    private static List<? extends java.security.cert.Certificate> certificates(Path file) throws Exception {
        try (var stream = Files.newInputStream(file)) {
            return List.copyOf(X509.generateCertificates(stream));
        }
    }

    private String verdict() throws Exception {
        try {
            return "valid " + path(true).getCertificates().size();
        } catch (CertPathBuilderException refused) {
            return "refused " + reason(refused);
        }
    }

    private CertPath path(boolean strict) throws Exception {
        var result = (PKIXCertPathBuilderResult) CertPathBuilder.getInstance("PKIX").build(parameters(strict));
        return result.getCertPath();
    }

    /** The builder only says that there is no path; so one is built without rules, for the validator to explain. */
    private String reason(CertPathBuilderException refused) throws Exception {
        try {
            CertPath bare = Files.exists(drawn) ? X509.generateCertPath(certificates(drawn)) : path(false);
            CertPathValidator.getInstance("PKIX").validate(bare, parameters(true));
        } catch (CertPathBuilderException none) {
            return "NO_PATH: " + refused.getMessage();
        } catch (CertPathValidatorException why) {
            return why.getReason() + ": " + why.getMessage();
        }
        return "NO_PATH: the validator accepts what the builder does not find";
    }

    private PKIXBuilderParameters parameters(boolean strict) throws Exception {
        var wanted = new X509CertSelector();
        wanted.setCertificate(target);
        var parameters = new PKIXBuilderParameters(anchors, wanted);
        parameters.setCertStores(known);
        parameters.setDate(moment);
        parameters.setPolicyQualifiersRejected(false);
        parameters.setMaxPathLength(-1);
        parameters.setRevocationEnabled(strict);
        if (strict) {
            parameters.setExplicitPolicyRequired(!options.contains("implicit"));
            parameters.setInitialPolicies(policies);
            parameters.setPolicyMappingInhibited(options.contains("inhibit-mapping"));
            parameters.setAnyPolicyInhibited(options.contains("inhibit-any"));
            var checker = (PKIXRevocationChecker) CertPathBuilder.getInstance("PKIX").getRevocationChecker();
            checker.setOptions(EnumSet.of(PKIXRevocationChecker.Option.PREFER_CRLS, PKIXRevocationChecker.Option.NO_FALLBACK));
            parameters.addCertPathChecker(checker);
        }
        return parameters;
    }

    /** To trust the signer of a list the builder looks for a path to it, asks whether that path is revoked, and so on. */
    private static final class Endless extends RuntimeException {
        private static final long serialVersionUID = 1L;
    }

    /** A store that ends a search which asks it from ever deeper down, before the stack overflows wherever it may be. */
    private static final class Bounded extends CertStore {
        private static final int DEEPEST = 1000;

        Bounded(CertStore store) {
            super(asked(store), store.getProvider(), store.getType(), store.getCertStoreParameters());
        }

        private static Asked asked(CertStore store) {
            try {
                return new Asked(store);
            } catch (InvalidAlgorithmParameterException impossible) {
                throw new IllegalStateException(impossible);
            }
        }

        private static final class Asked extends CertStoreSpi {
            private final CertStore store;

            Asked(CertStore store) throws InvalidAlgorithmParameterException {
                super(null);
                this.store = store;
            }

            @Override
            public Collection<? extends java.security.cert.Certificate> engineGetCertificates(CertSelector wanted)
                    throws CertStoreException {
                if (StackWalker.getInstance().walk(frames -> frames.limit(DEEPEST).count()) == DEEPEST) {
                    throw new Endless();
                }
                return store.getCertificates(wanted);
            }

            @Override
            public Collection<? extends CRL> engineGetCRLs(CRLSelector wanted) throws CertStoreException {
                return store.getCRLs(wanted);
            }
        }
    }
}
